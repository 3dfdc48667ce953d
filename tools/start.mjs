/**
 * `npm start` and `npm run cluster`: installs what is missing, builds what changed, runs an application. Plain Node.
 *
 * Usage: node tools/start.mjs [standalone | cluster]     default: standalone
 *
 * Exit code: that of the server; 1 when Node is too old, the install or the build failed (one sentence says which);
 * 0 when stopped by a signal before the server ran.
 *
 * This file only looks at the version, in syntax that old versions still read.
 */
var needed = [20, 19];
var running = process.versions.node.split('.').map(Number);

if (running[0] < needed[0] || (running[0] === needed[0] && running[1] < needed[1])) {
  console.error('Flatline needs Node ' + needed.join('.') + ' or newer; this is Node ' + process.versions.node + '.');
  process.exitCode = 1;
} else {
  import('./launch.mjs').then(function (module) {
    return module.launch(process.argv[2] || 'standalone');
  });
}
