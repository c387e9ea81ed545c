import { createServer } from 'node:http';

/** One backend: `server.js NAME ADDRESS PORT` answers every HTTP request with its name. */
const [name, address, port] = process.argv.slice(2);
const server = createServer((_request, response) => response.end(`${name}\n`));
server.listen(Number(port), address, () => console.log(`listening on ${address}:${port}`));
