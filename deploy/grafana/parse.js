// Parses PromQL: reads a JSON list of expressions, prints those that are none.

import { readFileSync } from 'node:fs';

import { parser } from '@prometheus-io/lezer-promql';

const wrong = JSON.parse(readFileSync(0, 'utf8')).filter((expression) => {
  let isError = false;
  parser.parse(expression).iterate({ enter: (node) => { isError ||= node.type.isError; } });
  return isError;
});
process.stdout.write(JSON.stringify(wrong));
