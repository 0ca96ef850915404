import { errorMessage } from '../../edge/errors.js';
import { exitCodes, failure } from '../exit.js';
import { plainVerb } from '../record.js';

export const mcp = plainVerb({
  name: 'mcp',
  description: 'for agents inside an attempt: the verbs of `heartbead agent` as MCP tools over stdio',
  json: false,
  run: async ({ io }) => {
    const { serveMcp } = await import('../../mcp/main.js');
    try {
      await serveMcp(io.env);
    } catch (error) {
      throw failure(errorMessage(error), 'this command is started by an agent program that Heartbead runs', error);
    }
    return exitCodes.fine;
  },
});
