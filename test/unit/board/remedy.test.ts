import { expect, test } from 'vitest';
import { remedyOf } from '../../../src/board/remedy.js';

test.each([
  ['heartbead retry docs', { do: 'retry', bead: 'docs' }],
  ['heartbead approve docs', { do: 'approve', bead: 'docs' }],
  ['heartbead approve docs --key FILE', { do: 'type', command: 'heartbead approve docs --key FILE' }],
  ['heartbead resume docs', { do: 'resume', bead: 'docs' }],
  ['heartbead nudge docs "your answer"', { do: 'nudge', bead: 'docs' }],
  ['heartbead logs docs', { do: 'open', path: '/bead/docs?tab=log' }],
  ['heartbead explain docs', { do: 'open', path: '/bead/docs' }],
  ['heartbead history docs', { do: 'open', path: '/bead/docs?tab=story' }],
  ['heartbead rig resume app', { do: 'resume-rig', rig: 'app' }],
  ['heartbead rig show app', { do: 'open', path: '/rig/app' }],
  ['heartbead queue app', { do: 'open', path: '/rig/app' }],
  ['heartbead convoy start c', { do: 'start-convoy', convoy: 'c' }],
  ['heartbead convoy resume c', { do: 'resume-convoy', convoy: 'c' }],
  ['heartbead convoy retry c one', { do: 'retry-in-convoy', convoy: 'c', id: 'one' }],
  ['heartbead convoy show c', { do: 'open', path: '/convoy/c' }],
  ['heartbead up', { do: 'type', command: 'heartbead up' }],
  ['heartbead doctor', { do: 'type', command: 'heartbead doctor' }],
  ['temporal activity unpause --workflow-id bead-x', { do: 'type' }],
])('%s is a button', (fix, remedy) => {
  expect(remedyOf({ fix })).toMatchObject(remedy);
});
