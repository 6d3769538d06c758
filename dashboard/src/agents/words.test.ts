import { expect, test } from 'vitest'
import type { Agent } from '../api/client'
import { sentence } from './words'

const agent = (fields: Partial<Agent>) =>
  ({ scopes: ['apps:read'], allResources: false, expiresAt: null, requireApproval: 'none', ...fields }) as Agent

test.each<[Partial<Agent>, string[], string]>([
  [{}, ['shop'], 'May read apps in shop for ever.'],
  [{ scopes: ['apps:read', 'logs:read'], allResources: true }, [], 'May read apps, logs in every project for ever.'],
  [{}, [], 'May read apps in nothing that still exists for ever.'],
  [{}, ['a', 'b', 'c', 'd', 'e'], 'May read apps in a, b, c and 2 more for ever.'],
  [
    { scopes: ['apps:read', 'apps:write'], requireApproval: 'destructive', expiresAt: '2027-01-31T12:00:00Z' },
    ['shop'],
    'May read apps, change and deploy apps in shop until Jan 31, 2027, asking before it takes anything away.',
  ],
  // Who reads alone is asked nothing.
  [{ requireApproval: 'all' }, ['shop'], 'May read apps in shop for ever.'],
])('a token in one sentence: %j', (fields, names, said) => {
  expect(sentence(agent(fields), names)).toBe(said)
})
