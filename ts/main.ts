import { main } from './daemon/command.js';

// Everything is closed by then; a handle that some library forgot must not keep a stopped daemon alive.
process.exit(await main(process.argv.slice(2)));
