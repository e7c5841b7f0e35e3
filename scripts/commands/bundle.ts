/** `bootdepot bundle`: one signed file that carries images, assets and certificates to a site without a network. */
import { Command } from 'commander';
import { bundleCreateCommand } from './bundle/create.js';
import { bundleLoadCommand } from './bundle/load.js';
import { bundleShowCommand } from './bundle/show.js';
import { bundleVerifyCommand } from './bundle/verify.js';

const HELP = `
A bundle is a plain tar and an OCI layout: tar lists it, and skopeo reads it as oci-archive:FILE:NAME. Its bundle.json names every
file with size and digest, and bundle.json.asc is the signature of the depot that made it.

Examples:
  bootdepot bundle create site.tar --all
  bootdepot bundle load site.tar`;

/** The command with its subcommands. */
export function bundleCommand(): Command {
  return new Command('bundle')
    .description('carry images, assets and certificates across an air gap in one signed file')
    .addCommand(bundleCreateCommand())
    .addCommand(bundleVerifyCommand())
    .addCommand(bundleShowCommand())
    .addCommand(bundleLoadCommand())
    .addHelpText('after', HELP);
}
