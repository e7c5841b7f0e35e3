#!/usr/bin/env node
/** The program's entrance: the command tree is in `program.ts`, each command in a file below `commands/`. */
import { main } from './program.js';

await main();
