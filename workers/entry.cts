/**
 * What Piscina loads into each thread: it says where the thread is, and only then loads the rest. CommonJS without
 * requires of its own: a thread that is terminated while Node requires an ES module ends the whole process.
 */
module.exports = async (task: { module: string; loading: Int32Array }): Promise<void> => {
  const [asked, loads] = [0, 1];
  // The process is ending.
  if (Atomics.compareExchange(task.loading, 0, asked, loads) !== asked) return;
  const entry = (await load(task.module)) as { default: (task: object) => unknown };
  await entry.default(task);
};

/** Not by import() if it can be helped: that opens all files of the package at once, and descriptors may be scarce. */
function load(url: string): unknown {
  try {
    // oxlint-disable-next-line no-require-imports -- this file is CommonJS
    return require(decodeURIComponent(new URL(url).pathname));
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_REQUIRE_ESM') throw error;
    return import(url);
  }
}
