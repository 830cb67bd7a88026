// Writes the dashboards: `node build.js [FOLDER]`, by default dashboards/.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { fleet } from './src/fleet.js';
import { server } from './src/server.js';
import { training } from './src/training.js';

const here = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2] ?? join(here, 'dashboards');

mkdirSync(folder, { recursive: true });
for (const builder of [training(), fleet(), server()]) {
  const dashboard = builder.build();
  // Links to a panel name it by its number.
  dashboard.panels.forEach((panel, i) => { panel.id = i + 1; });
  const name = dashboard.uid.replace('firekeeper-', '');
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(dashboard, null, 2)}\n`);
}
