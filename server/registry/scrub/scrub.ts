/** Looking at everything in a registry folder, and mending what can be mended, beside a running registry or without one. */
import { readFile, rm } from 'node:fs/promises';
import { writeFileAtomically } from '../../disk/atomic-file.js';
import { makeDurableFolder } from '../../disk/folders.js';
import { DepotError } from '../../errors.js';
import { parseDigest } from '../../oci/digest.js';
import type { Layout } from '../layout.js';
import type { Registry } from '../open-registry.js';
import { type CheckedContent, type ContentCheck, checkContent } from './check-content.js';
import { checkRepository, type RepositoryCheck } from './check-repository.js';
import type { Finding } from './finding.js';

/** How to scrub. */
export interface ScrubOptions
  extends Pick<ContentCheck, 'speed' | 'signal' | 'onBytes'>,
    Pick<RepositoryCheck, 'refetch' | 'maySparse'> {
  /** Whether to mend: damaged content is put aside and brought back where there is an upstream, links are made again. */
  readonly repair: boolean;
  readonly onFinding?: ((finding: Finding) => void) | undefined;
}

/** What came of it. */
export interface ScrubReport extends CheckedContent {
  readonly repositories: number;
  readonly findings: readonly Finding[];
  /** Whether an earlier scrub was broken off and this one read the rest. */
  readonly resumed: boolean;
}

const PART = /^sha(?:256|512)\/[0-9a-f]{2}$/;

/**
 * Scrubs a registry folder. One that is broken off is gone on with by the next.
 *
 * @throws DepotError `INTERRUPTED`; `NAME_INVALID`, `ACCESS_DENIED`, `IO_FAILED`
 */
export async function scrub(registry: Registry, options: ScrubOptions): Promise<ScrubReport> {
  const { layout } = registry;
  const findings: Finding[] = [];
  const onFinding = (finding: Finding): void => {
    findings.push(finding);
    options.onFinding?.(finding);
  };
  const behind = await readCursor(layout);
  const checked = await checkContent(registry, {
    ...options,
    ...{ behind, onFinding },
    onPart: (part) => writeCursor(layout, part),
  });
  const damaged = new Set(options.repair ? [] : findings.map(({ name }) => name));
  const repositories = await registry.catalog.listAll();
  for (const repository of repositories) {
    if (options.signal?.aborted) throw new DepotError('INTERRUPTED', 'interrupted');
    await checkRepository(registry, repository, { ...options, damaged, onFinding });
  }
  await rm(cursorPath(layout), { force: true });
  const repaired = options.repair ? await withHealed(registry, findings) : findings;
  return { ...checked, repositories: repositories.length, findings: repaired, resumed: behind !== undefined };
}

/** What was put aside and brought back since is whole again. */
async function withHealed({ content }: Registry, findings: readonly Finding[]): Promise<Finding[]> {
  const healed: Finding[] = [];
  for (const finding of findings) {
    const again =
      finding.kind === 'damaged' && !finding.repaired && (await content.find(parseDigest(finding.name)));
    healed.push(again ? { ...finding, repaired: true } : finding);
  }
  return healed;
}

function cursorPath(layout: Layout): string {
  return layout.own('scrub');
}

async function readCursor(layout: Layout): Promise<string | undefined> {
  const text = await readFile(cursorPath(layout), 'latin1').catch(() => '');
  return PART.test(text) ? text : undefined;
}

async function writeCursor(layout: Layout, part: string): Promise<void> {
  await makeDurableFolder(layout.stage);
  await writeFileAtomically(cursorPath(layout), part, { stage: layout.stage });
}
