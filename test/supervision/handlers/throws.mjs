// A handler module that cannot be evaluated.
throw new Error('thrown while it was loaded');
