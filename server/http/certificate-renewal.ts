/** The certificate of the listeners, renewed while the server runs where the depot's own CA has issued it. */
import { type Config, DepotError, hasAuthority, type Logger, renewServerCertificate } from '../index.js';

const LOOK_EVERY_MS = 6 * 60 * 60 * 1000;

/**
 * Renews the certificate if its time is nearly over, now and from time to time. The listeners notice the new file by themselves.
 *
 * @returns a function that ends it
 */
export async function followExpiry({ keys, tls, listen }: Config, logger: Logger): Promise<() => void> {
  const { cert, key } = tls;
  if (cert === undefined || key === undefined || !listen.some((place) => place.tls)) return () => undefined;
  if (!(await hasAuthority(keys.dir))) return () => undefined;
  const look = async () => {
    try {
      const renewed = await renewServerCertificate(
        keys.dir,
        { cert, key },
        { force: false, now: new Date() },
      );
      if (renewed !== undefined) logger.info({ expires: renewed.expires }, 'the TLS certificate was renewed');
    } catch (error) {
      if (error instanceof DepotError && error.code === 'CERTIFICATE_INVALID') return;
      logger.error({ err: error }, 'the TLS certificate cannot be renewed');
    }
  };
  await look();
  const timer = setInterval(look, LOOK_EVERY_MS).unref();
  return () => clearInterval(timer);
}
