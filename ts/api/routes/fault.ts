import { type Static, Type } from '../../model/typebox.js';

export const Fault = Type.Object({
  code: Type.String({ description: 'Stable name, UPPER_SNAKE' }),
  object: Type.String({ description: 'What the fault is about' }),
  cause: Type.String(),
  hint: Type.Optional(Type.String({ description: 'What to do about it' })),
});

/** The body of every answer that is not a success. */
export const ErrorBody = Type.Object({ error: Fault });
export type ErrorBody = Static<typeof ErrorBody>;
