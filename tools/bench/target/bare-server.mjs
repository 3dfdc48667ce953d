/**
 * The baseline: what node:http does on this machine, now, with the same requests and answers of the same size and
 * nothing behind them. Says { port } once it listens; ends with its parent.
 */
import { createServer } from 'node:http';

const BODY = '{"status":"ok","id":"01890a5d-ac96-774b-bcce-b302099a8057"}';
const HEADERS = {
  'content-type': 'application/json; charset=utf-8',
  'cache-control': 'no-store',
  'ping-id': '01890a5d-ac96-774b-bcce-b302099a8057',
  'ping-body-limit': '10000',
  'content-length': BODY.length,
};

const server = createServer((request, response) => {
  request.resume();
  response.writeHead(200, HEADERS).end(BODY);
});
server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }, () => process.send({ port: server.address().port }));
process.on('disconnect', () => process.exit());
