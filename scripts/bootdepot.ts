#!/usr/bin/env node
/** The program's entrance: the command tree and its commands are in `program.ts`. */
import { loadLean } from './lean-load.js';

const { main } = await loadLean(() => import('./program.js'));
await main();
