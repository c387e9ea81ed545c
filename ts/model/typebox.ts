/**
 * What vipd uses of typebox. Loading its 683 files takes longer than everything else that vipctl does to start, so the
 * build makes them one with the compiled form of this file, and nobody else imports them.
 */
export { type Static, type TObject, type TSchema, Type } from 'typebox';
export { Compile, type Validator } from 'typebox/compile';
export { Settings } from 'typebox/system';
export { Value } from 'typebox/value';
