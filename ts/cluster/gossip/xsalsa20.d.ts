/** Without types of its own. */
declare module 'xsalsa20' {
  export interface Cipher {
    update(input: Uint8Array): Uint8Array;
    finalize(): void;
  }
  export default function xsalsa20(nonce: Uint8Array, key: Uint8Array): Cipher;
}
