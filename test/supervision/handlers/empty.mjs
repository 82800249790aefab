// A handler module without a default export.
export const echo = {};
