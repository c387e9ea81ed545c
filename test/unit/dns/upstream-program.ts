import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { ExecutionContext } from 'ava';
import dnsPacket, { type DecodedPacket, type Packet } from 'dns-packet';
import { Frames, framed } from '../../../ts/dns/frames.js';
import type { Endpoint } from '../../../ts/model/address.js';
import { Ours } from './asking-ours.js';

/** What a resolver does with a question: `send` puts bytes on the wire, any number of times, from itself or from elsewhere. */
export type Behaviour = (question: DecodedPacket, send: (bytes: Buffer, from?: Socket) => void, nth: number) => void;

export interface FakeUpstream {
  readonly endpoint: Endpoint;
  /** Questions that came, over UDP and over TCP. */
  readonly asked: DecodedPacket[];
  readonly askedByTcp: DecodedPacket[];
  /** Another behaviour over UDP from now on. */
  behave(behaviour: Behaviour): void;
  /** Hears the port of every question that comes over UDP. */
  from(listener: (port: number) => void): void;
}

export function reply(question: DecodedPacket, over: object = {}): Buffer {
  const { id, questions } = question;
  return dnsPacket.encode({ type: 'response', id, flags: 0x0180, questions, ...over } as Packet);
}

export const a = (name: string, data: string, ttl = 60) => ({ type: 'A', class: 'IN', name, ttl, data }) as const;

export const nameOf = (question: DecodedPacket) => question.questions![0]!.name;
export const encoded = (question: DecodedPacket) => dnsPacket.encode(question);

/** The usual: one address for every name. */
export const honest =
  (data: string, ttl = 60): Behaviour =>
  (question, send) =>
    send(reply(question, { answers: [a(question.questions![0]!.name, data, ttl)] }));

export const failing =
  (rcode: number): Behaviour =>
  (question, send) =>
    send(reply(question, { flags: 0x0180 | rcode }));

export const silent: Behaviour = () => {};

/** A resolver on a port of its own, UDP and TCP, that ends with the test. */
export async function upstream(t: ExecutionContext, first: Behaviour, byTcp: Behaviour = first): Promise<FakeUpstream> {
  const socket = createSocket('udp4');
  let behave = first;
  let ended = false;
  let heard = (_port: number) => {};
  const [asked, askedByTcp]: [DecodedPacket[], DecodedPacket[]] = [[], []];
  socket.on('message', (bytes: Buffer, { address, port }: RemoteInfo) => {
    const question = dnsPacket.decode(bytes);
    const nth = asked.push(question);
    heard(port);
    const send = (answer: Buffer, from = socket) => (ended ? undefined : from.send(answer, port, address));
    behave(question, send, nth);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const server = createServer((connection) => {
    const frames = new Frames(0xffff);
    connection.on('error', () => {});
    connection.on('data', (piece) => {
      for (const message of frames.push(piece)) {
        const question = dnsPacket.decode(message);
        byTcp(question, (answer) => connection.write(framed(answer)), askedByTcp.push(question));
      }
    });
  });
  const endpoint = { address: '127.0.0.1', port: socket.address().port };
  server.listen(endpoint.port, endpoint.address);
  await once(server, 'listening');
  t.teardown(() => {
    ended = true;
    socket.close();
    server.close();
  });
  return {
    ...{ endpoint, asked, askedByTcp },
    behave: (behaviour) => {
      behave = behaviour;
    },
    from: (listener) => {
      heard = listener;
    },
  };
}

/** A resolver that asks these, and ends with the test. */
export function asking(
  t: ExecutionContext,
  servers: readonly FakeUpstream[],
  over: ConstructorParameters<typeof Ours>[2] = {},
): Ours {
  const ours = new Ours(
    { tasks: undefined },
    servers.map(({ endpoint }) => endpoint),
    over,
  );
  t.teardown(() => ours.close());
  return ours;
}
