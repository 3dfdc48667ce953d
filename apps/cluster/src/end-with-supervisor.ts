/**
 * Loaded before the program of each process of a cluster (`--require` in NODE_OPTIONS). The channel to the supervisor closes when
 * that dies, however it dies: then this process stops in order, as on SIGTERM, and does not run on unowned.
 */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
// Listening must not keep a program alive that has done its work.
process.channel?.unref();

// Its standard output is a pipe to the supervisor; with nobody at the other end a line is lost, and nothing else.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
