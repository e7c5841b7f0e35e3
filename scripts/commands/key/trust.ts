/** `bootdepot key trust`: takes bundles of another depot from now on. */
import { Command } from 'commander';
import {
  type Certificate,
  DepotError,
  findCertificate,
  inspectKeys,
  readKeyring,
  trustCertificate,
} from '../../../server/index.js';
import { type KeyFolderFlags, keyFolder } from '../../key-options.js';
import { certificateFacts, describeCertificate } from '../../key-text.js';
import { print, printJson, run, say } from '../../run.js';

interface TrustFlags extends KeyFolderFlags {
  readonly from?: string[];
  readonly json?: true;
}

const HELP = `
The fingerprint is what you compared with whoever made the bundle, by telephone or on paper: all 40 digits, with or without spaces.
The certificate is taken from --from, a bundle or a file of certificates, or else from those that this depot publishes. It is kept in
the folder trusted below the keys: to trust it no more, remove its file.

Examples:
  bootdepot bundle show site.tar
  bootdepot key trust 7781630DFC678726BEB68C781FF36BD05BBA7FE2 --from site.tar`;

/** The command. */
export function keyTrustCommand(): Command {
  return new Command('trust')
    .description('take bundles that are signed with this key')
    .argument('<fingerprint...>', '40 hex digits')
    .option('--from <file...>', 'a bundle, its parts, or a file of certificates')
    .option('--keys <dir>', 'the folder of keys')
    .option('--config <file>', 'configuration to read instead of bootdepot.yaml')
    .option('--json', 'print the certificate as JSON')
    .addHelpText('after', HELP)
    .action((parts: string[], flags: TrustFlags) => run(() => trust(parts, flags)));
}

async function trust(parts: readonly string[], flags: TrustFlags): Promise<void> {
  const fingerprint = parts.join('').replace(/\s/g, '').toUpperCase();
  if (!/^[0-9A-F]{40}$/.test(fingerprint)) {
    throw new DepotError('USAGE', 'expected the whole fingerprint: 40 hex digits');
  }
  const { dir } = await keyFolder(flags);
  const certificate = await find(fingerprint, flags.from, dir);
  const path = await trustCertificate(dir, certificate);
  if (flags.json) return printJson({ ...certificateFacts(certificate), path });
  print(describeCertificate(certificate));
  say(`Bundles of this key are taken from now on. To end that, remove ${path}`);
}

async function find(
  fingerprint: string,
  from: readonly string[] | undefined,
  keysDir: string,
): Promise<Certificate> {
  if (from === undefined) {
    const { current, others } = await inspectKeys(keysDir);
    return among([current, ...others], fingerprint, keysDir);
  }
  const [file = ''] = from;
  const certificates = await readKeyring(file).catch((error: unknown) => {
    if (error instanceof DepotError && error.code === 'CERTIFICATE_INVALID') return undefined;
    if (error instanceof DepotError && error.code === 'NOT_FOUND') return undefined;
    throw error;
  });
  return certificates === undefined
    ? findCertificate(from, fingerprint)
    : among(certificates, fingerprint, file);
}

function among(certificates: readonly Certificate[], fingerprint: string, where: string): Certificate {
  const found = certificates.find((each) => each.fingerprint === fingerprint);
  if (found !== undefined) return found;
  throw new DepotError('KEY_MISSING', `${where} has no certificate ${fingerprint}: name a file with --from`);
}
