import { readReply } from '../../../ts/dns/reply.js';

/** What is wrong with the answer to these bytes, if anything. Says nothing of its content. */
export function badAnswer(request: Buffer, udp: boolean, answer: Buffer | undefined): string | undefined {
  const isQuestion = request.length >= 12 && (request[2]! & 0x80) === 0;
  if (!isQuestion) return answer === undefined ? undefined : 'an answer to what is no question';
  if (answer === undefined) return 'no answer to a question';
  if (answer.length < 12 || answer.length > (udp ? 1232 : 65_535)) return `an answer of ${answer.length} bytes`;
  if (answer.readUInt16BE(0) !== request.readUInt16BE(0)) return 'an answer with another id';
  if ((answer[2]! & 0x80) === 0) return 'an answer that looks like a question';
  if ((answer[2]! & 0x78) !== (request[2]! & 0x78)) return 'an answer with another opcode';
  return badForm(request, answer);
}

/** Sections must be as long as they say, and the question the one that was asked. */
function badForm(request: Buffer, answer: Buffer): string | undefined {
  let end = 12;
  if (answer.readUInt16BE(4) === 1) {
    while (answer[end] !== 0) end += 1 + answer[end]!;
    end += 5;
    if (answer.compare(request, 12, end, 12, end) !== 0) return 'an answer to another question';
  }
  const reply = readReply(Buffer.from(answer), end);
  if (reply === undefined) return 'an answer whose records do not fit';
  const whole = reply.bytes.length === answer.length || answer.length - reply.bytes.length === 11;
  return whole ? undefined : 'an answer with something behind its records';
}
