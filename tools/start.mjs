/**
 * `npm start` and `npm run cluster`: installs what is missing, builds what changed, runs an application. Plain Node.
 *
 * Usage: node tools/start.mjs [standalone | cluster]     default: standalone
 *
 * Exit code: that of the server; 1 when Node is too old, the install or the build failed, or there are other words (one
 * sentence says which); 0 for --help, and when stopped by a signal before the server ran.
 *
 * This file only looks at the version and the words, in syntax that old versions still read.
 */
var needed = [20, 19];
var running = process.versions.node.split('.').map(Number);
var apps = ['standalone', 'cluster'];
var words = process.argv.slice(2);
var app = apps.indexOf(words[0]) < 0 ? apps[0] : words.shift();
var usage =
  'Flatline takes no arguments. Environment variables say what there is to say, as in: PORT=9000 npm start\n' +
  'docs/operations.md lists them all.';

if (running[0] < needed[0] || (running[0] === needed[0] && running[1] < needed[1])) {
  console.error('Flatline needs Node ' + needed.join('.') + ' or newer; this is Node ' + process.versions.node + '.');
  process.exitCode = 1;
} else if (words.indexOf('--help') >= 0 || words.indexOf('-h') >= 0) {
  console.log(usage);
} else if (words.length > 0) {
  console.error(usage);
  process.exitCode = 1;
} else {
  import('./launch.mjs').then(function (module) {
    return module.launch(app);
  });
}
