// Removes all that the build and the tests leave behind; node_modules stays.
import { rmSync } from 'node:fs';

for (const name of ['dist', 'coverage']) {
  rmSync(new URL(`../${name}`, import.meta.url), { recursive: true, force: true });
}
