/** Loading many modules with little memory. */
import { setFlagsFromString } from 'node:v8';

/**
 * Loads modules while the engine neither lets its nursery grow nor compiles what is only hot during loading: both
 * would stay with the process for good, about 8 MB of it. Afterwards it does as always.
 */
export async function loadLean<T>(load: () => Promise<T>): Promise<T> {
  setFlagsFromString('--no-opt');
  setFlagsFromString('--semi-space-growth-factor=1');
  try {
    return await load();
  } finally {
    setFlagsFromString('--semi-space-growth-factor=2');
    setFlagsFromString('--opt');
  }
}
