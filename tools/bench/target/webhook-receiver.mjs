/**
 * Takes webhooks and notes when each arrived. A process of its own, so that arrival is not delayed by the bench. Says
 * { port } once it listens; to any message it answers { arrivals } with what came since the last one; ends with its parent.
 * An arrival: { at (epoch ms, when its last byte was read), id (webhook-id), type, heartbeatId, timestamp }.
 */
import { createServer } from 'node:http';

let arrivals = [];

const server = createServer((request, response) => {
  let text = '';
  request.setEncoding('utf8');
  request.on('data', (chunk) => (text += chunk));
  request.on('end', () => {
    const at = Date.now();
    response.writeHead(204).end();
    const { type, timestamp, data } = JSON.parse(text);
    arrivals.push({ at, id: request.headers['webhook-id'], type, heartbeatId: data?.heartbeat?.id, timestamp });
  });
});
server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }, () => process.send({ port: server.address().port }));
process.on('message', () => {
  process.send({ arrivals });
  arrivals = [];
});
process.on('disconnect', () => process.exit());
