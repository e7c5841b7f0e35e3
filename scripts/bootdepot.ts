#!/usr/bin/env node
/** The program's entrance: the command tree is in `program.ts`, each command in a file below `commands/`. */
import { loadLean } from './lean-load.js';

const load = () => import('./program.js');

// What runs for months is loaded with care for memory; what ends soon is loaded fast.
const { main } = await (process.argv[2] === 'serve' ? loadLean(load) : load());
await main();
