/**
 * What Piscina loads into each thread: it only says where the thread is, then loads the rest. CommonJS, and no static
 * imports: Piscina requires the file, and a thread that is terminated while Node requires an ES module ends the process.
 */
module.exports = async (task: { module: string; loading: Int32Array }): Promise<void> => {
  const [asked, loads] = [0, 1];
  // The process is ending.
  if (Atomics.compareExchange(task.loading, 0, asked, loads) !== asked) return;
  const entry = (await import(task.module)) as { default: (task: object) => unknown };
  await entry.default(task);
};
