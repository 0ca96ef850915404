/**
 * A test file's process that is interrupted must still end the servers and agents it started. The runner ends its
 * processes by SIGTERM (and by SIGKILL half a second later), and if it is itself killed, only the channel to it closes;
 * both become a normal exit here, so that `exit` handlers run.
 */
process.once('SIGTERM', () => process.exit(143));
process.once('SIGINT', () => process.exit(130));
process.once('disconnect', () => process.exit(1));
