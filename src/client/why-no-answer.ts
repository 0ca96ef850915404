/** Why a server does not answer, found out by knocking at its address: for the sentence that a person reads. @module */
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { ConnectionSettings } from './connect.js';

/** What was found, and what to do about it. */
export interface NoAnswer {
  why: string;
  next?: string;
}

/** Milliseconds for each knock: it comes after a wait that was long already. */
const knockWithin = 2_000;
/** A server that refuses a certificate of ours says so a moment after the handshake. */
const secondThoughts = 300;
/** Some servers say nothing then, and end the connection. */
const hungUp = 'HUNG_UP_AFTER_THE_HANDSHAKE';

/** @returns undefined when nothing is wrong with the way to the server, so far as that can be seen from here. */
export async function whyNoAnswer({
  address,
  tls,
  apiKey,
}: ConnectionSettings['options']): Promise<NoAnswer | undefined> {
  const [, host, port] = /^(?:[a-z]+:\/\/)?\[?(.+?)\]?:(\d+)$/.exec(address) ?? [undefined, address, '7233'];
  const there = { host: host ?? address, port: Number(port) };
  const unreached = await knock(() => connectTcp(there), 'connect');
  if (unreached !== undefined) return ofNetwork(unreached, there.host);
  const configured = tls ?? apiKey !== undefined;
  if (configured === false) {
    const speaksTls = await knock(() => connectTls({ ...there, rejectUnauthorized: false }), 'secureConnect');
    return speaksTls === undefined
      ? { why: 'it speaks TLS, and none is configured', next: 'set TEMPORAL_TLS=true (or the paths of certificates)' }
      : undefined;
  }
  const given = configured === true ? {} : configured;
  const options: TlsOptions = {
    ...there,
    servername: given.serverNameOverride,
    ca: given.serverRootCACertificate && Buffer.from(given.serverRootCACertificate),
    cert: given.clientCertPair && Buffer.from(given.clientCertPair.crt),
    key: given.clientCertPair && Buffer.from(given.clientCertPair.key),
    ALPNProtocols: ['h2'],
  };
  const refused = await knock(() => connectTls(options), 'secureConnect', secondThoughts);
  return refused === undefined ? undefined : ofTls(refused);
}

/** @returns the error of a connection that does not come about, or that ends within `then` ms. */
function knock(
  open: () => ReturnType<typeof connectTcp>,
  event: 'connect' | 'secureConnect',
  then = 0,
): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    try {
      const socket = open();
      const settle = (error?: Error): void => {
        socket.destroy();
        resolve(error);
      };
      const late = setTimeout(() => settle(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })), knockWithin);
      socket.once('close', () => clearTimeout(late));
      socket.once('error', settle);
      socket.once(event, () => {
        if (then === 0) return settle();
        socket.once('close', () => settle(Object.assign(new Error('it hung up'), { code: hungUp })));
        setTimeout(settle, then);
      });
    } catch (error) {
      // What is no certificate is found before anything is sent.
      resolve(error as Error);
    }
  });
}

function ofNetwork({ code, message }: NodeJS.ErrnoException, host: string): NoAnswer {
  switch (code) {
    case 'ECONNREFUSED':
      return { why: 'nothing listens there' };
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return { why: `no host is called ${host}` };
    case 'ETIMEDOUT':
      return { why: 'no connection comes about (the host is away, or a firewall is between)' };
    default:
      return { why: code ?? message };
  }
}

function ofTls({ code = '', message }: NodeJS.ErrnoException): NoAnswer {
  const said = message.split('\n')[0] ?? code;
  if (code === 'ETIMEDOUT' || /WRONG_VERSION_NUMBER|PACKET_LENGTH/.test(code) || code === 'ECONNRESET')
    return { why: 'it speaks no TLS, which is configured', next: 'leave the TEMPORAL_TLS… settings away' };
  if (code === hungUp || /ALERT/.test(code))
    return {
      why: `it refuses our certificate (${code})`,
      next: 'check TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH, and until when that is good',
    };
  if (/^(?:ERR_OSSL|ERR_SSL|ERR_INVALID|ERR_CRYPTO)/.test(code))
    return {
      why: `a certificate or key that is configured cannot be used (${code})`,
      next: 'check the files that the TEMPORAL_TLS_…_PATH settings name',
    };
  return {
    why: `its certificate is refused: ${said.replace(/\.$/, '')}`,
    next: 'check TEMPORAL_TLS_SERVER_CA_CERT_PATH and TEMPORAL_TLS_SERVER_NAME, and until when the certificate is good',
  };
}
