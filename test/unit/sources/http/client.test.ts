import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { decodeJwt, jwtVerify, SignJWT } from 'jose';
import { readAccess } from '../../../../ts/sources/http/access.js';
import { HttpClient } from '../../../../ts/sources/http/client.js';
import { VipdError } from '../../../../ts/util/errors.js';
import { type Answer, Listener, sendJson, sendText } from '../../../simulators/http.js';

const signal = new AbortController().signal;
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const privateKey = keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

async function listener(t: ExecutionContext, answer: Answer): Promise<Listener> {
  const listening = await new Listener(answer).listen();
  t.teardown(() => listening.close());
  return listening;
}

function fileWith(t: ExecutionContext, text: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'vipd-test-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'secret'), text);
  return join(directory, 'secret');
}

function client(t: ExecutionContext, secret?: string, more: { answerMs?: number } = {}): HttpClient {
  const http = new HttpClient({ files: { secret }, ...more });
  t.teardown(() => http.close());
  return http;
}

const read = (http: HttpClient, url: string) => http.read(url, { maxBytes: 1000 }, signal);

async function faultOf(t: ExecutionContext, promise: Promise<unknown>): Promise<VipdError['fault']> {
  const error = await t.throwsAsync(promise, { instanceOf: VipdError });
  return error!.fault;
}

test('without a secret nothing is said of who asks', async (t) => {
  const { url } = await listener(t, (request, response) =>
    sendText(response, 200, request.headers.authorization ?? 'none'),
  );
  t.is((await read(client(t), url)).toString(), 'none');
});

test('user:password is basic authentication', async (t) => {
  const { url } = await listener(t, (request, response) =>
    sendText(response, 200, request.headers.authorization ?? ''),
  );
  const answer = (await read(client(t, fileWith(t, 'me:s3cret:with:colons\n')), url)).toString();
  t.is(Buffer.from(answer.replace('Basic ', ''), 'base64').toString(), 'me:s3cret:with:colons');
});

test('a service account logs in with RS256, keeps its token, and gets another when it is refused or near its end', async (t) => {
  let issued = 0;
  let life = 3600;
  let refused = '';
  const { url } = await listener(t, async (request, response, body) => {
    if (request.url !== '/login') {
      const header = request.headers.authorization ?? '';
      return header === refused ? sendText(response, 401, 'gone') : sendText(response, 200, header);
    }
    const { uid, token } = JSON.parse(body.toString()) as { uid: string; token: string };
    const { payload } = await jwtVerify(token, keys.publicKey, { algorithms: ['RS256'] });
    t.is(payload.uid, uid);
    issued += 1;
    const claims = new SignJWT({ uid, n: issued }).setProtectedHeader({ alg: 'RS256' });
    const exp = Math.floor(Date.now() / 1000) + life;
    sendJson(response, { token: await claims.setExpirationTime(exp).sign(keys.privateKey) });
  });
  const account = { uid: 'vipd', private_key: privateKey, login_endpoint: `${url}/login`, scheme: 'RS256' };
  const http = client(t, fileWith(t, JSON.stringify(account)));
  const token = async () => (await read(http, `${url}/state`)).toString();
  const first = await token();
  t.is(decodeJwt(first.replace('token=', '')).uid, 'vipd');
  t.is(await token(), first);
  t.is(issued, 1);
  refused = first;
  life = 0;
  const second = await token();
  t.not(second, first);
  t.is(issued, 2);
  await token();
  t.is(issued, 3);
});

test('a right that is missing is named with who lacks it', async (t) => {
  const { url } = await listener(t, (_, response) => sendText(response, 403, 'no VIEW_TASK'));
  const fault = await faultOf(t, read(client(t, fileWith(t, 'me:x')), url));
  t.is(fault.code, 'ACCESS_DENIED');
  t.is(fault.cause, 'answered 403: no VIEW_TASK to me');
  t.regex(fault.hint ?? '', /me/);
});

test('a status that is no success is told with what was said', async (t) => {
  const { url } = await listener(t, (_, response) => sendText(response, 502, 'bad\n  gateway'));
  const fault = await faultOf(t, read(client(t), url));
  t.like(fault, { code: 'HTTP_STATUS', object: url, cause: 'answered 502: bad gateway' });
});

test('an answer that is too long, none at all, and silence', async (t) => {
  const { url } = await listener(t, (request, response) => {
    if (request.url === '/long') sendText(response, 200, 'x'.repeat(1001));
    if (request.url === '/half') response.writeHead(200).write('x');
  });
  t.is((await faultOf(t, read(client(t), `${url}/long`))).code, 'ANSWER_TOO_LARGE');
  t.is((await faultOf(t, read(client(t), 'http://127.0.0.1:1/'))).code, 'HTTP_UNREACHABLE');
  t.is((await faultOf(t, read(client(t, undefined, { answerMs: 50 }), `${url}/half`))).code, 'HTTP_UNREACHABLE');
  t.is((await faultOf(t, read(client(t, undefined, { answerMs: 50 }), `${url}/never`))).code, 'HTTP_UNREACHABLE');
});

test('a login that fails is named, and not its secret', async (t) => {
  const { url } = await listener(t, (_, response) => sendJson(response, { title: 'unknown account' }, 401));
  const account = { uid: 'vipd', private_key: privateKey, login_endpoint: url };
  const fault = await faultOf(t, read(client(t, fileWith(t, JSON.stringify(account))), url));
  t.is(fault.code, 'LOGIN_FAILED');
  t.false(JSON.stringify(fault).includes('PRIVATE'));
});

const secrets = ['nothing', '{"uid": "x"', '{"uid": "x"}', 'a:b\nc:d', ''];
for (const text of secrets) {
  test(`a secret that is none is refused without quoting it: ${JSON.stringify(text)}`, (t) => {
    const error = t.throws(() => readAccess({ secret: fileWith(t, text) }), { instanceOf: VipdError });
    t.is(error?.fault.code, 'SECRET_INVALID');
    if (text !== '') t.false(error?.fault.cause.includes(text));
  });
}
