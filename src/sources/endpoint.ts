/** Where a socket listens, or connects to, as options say it: a TCP port of a host, or a path. */
import { UNIX_PATH_BYTES } from '../native/index.ts';
import { invalid } from '../options.ts';

export type Endpoint = { readonly host?: string; readonly port?: number; readonly path?: string };

/** What is no matter of numbers. @throws ERR_WAKEONE_INVALID_OPTION */
export function checkEndpoint({ host, port, path }: Endpoint): void {
  if (host !== undefined && (typeof host !== 'string' || host === ''))
    throw invalid('host', 'a string', host);
  if (path !== undefined && (typeof path !== 'string' || path === ''))
    throw invalid('path', 'a string', path);
  if (path !== undefined && Buffer.byteLength(path) >= UNIX_PATH_BYTES)
    throw invalid('path', `at most ${UNIX_PATH_BYTES - 1} bytes long`, path);
  if (path !== undefined && port !== undefined) throw invalid('path', 'absent when port is given', path);
  if (path === undefined && port === undefined) throw invalid('port', 'given, or else path', undefined);
}
