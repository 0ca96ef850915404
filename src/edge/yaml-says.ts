/**
 * @returns what is wrong with a YAML file, without the place (which whoever tells it puts before) and without the
 * lines that the parser draws below it.
 */
export const yamlSays = ({ message }: Error): string =>
  (message.split('\n')[0] ?? '').replace(/ at line \d+, column \d+:?$/, '');
