// A handler module whose default export is not what defineHandlers() returned.
export default { echo: {} };
