/**
 * `node gate-inside.js <socket> <port> <program> [argument…]`: runs a program in a cell whose only way out is a proxy
 * at a socket. Programs look for a proxy at a port: this one listens there, in the network of the cell, and passes on.
 * @module
 */
import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { constants } from 'node:os';

const [socket = '', port = '', file = '', ...args] = process.argv.slice(2);

const server = createServer((client) => {
  const outside = connect(socket);
  client.on('error', () => outside.destroy());
  outside.on('error', () => client.destroy());
  client.pipe(outside).pipe(client);
});
server.on('error', (error) => {
  console.error(`gate: ${error.message}`);
  process.exit(1);
});
server.listen(Number(port), '127.0.0.1', () => {
  const child = spawn(file, args, { stdio: 'inherit' });
  child.once('error', (error: NodeJS.ErrnoException) => {
    console.error(
      error.code === 'ENOENT' ? `gate: execvp ${file}: No such file or directory` : `gate: ${error.message}`,
    );
    process.exit(1);
  });
  child.once('exit', (code, signal) => process.exit(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
});
// What asks the program to end asks the whole group: it is the program that says when.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
