/** The part of a logger that the subsystems use; pino's loggers have it. Objects first, then one short sentence. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
