/** The alphabet of z-base-32 (Wilcox-O'Hearn, "human-oriented base-32 encoding"). */
const alphabet = 'ybndrfg8ejkmcpqxot1uwisza345h769';

/** Five bits a character, the first the highest; the last is filled up with zeros. */
export function zbase32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = (held << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += alphabet[(held >> bits) & 31];
    }
    held &= (1 << bits) - 1;
  }
  return bits === 0 ? text : text + alphabet[(held << (5 - bits)) & 31];
}

export function isZbase32(text: string): boolean {
  return text !== '' && [...text].every((c) => alphabet.includes(c));
}
