import { expect, test } from 'vitest'
import { parse } from './dotenv'
import {
  begun,
  conceded,
  difference,
  edited,
  followed,
  fromApp,
  merged,
  named,
  problem,
  saved,
  type Variable,
  variable,
} from './variables'

const stored = (envVars: Record<string, string>, ...secretKeys: string[]) => fromApp({ envVars, secretKeys })
const typed = (rows: Variable[], name: string, change: Partial<Variable>) =>
  rows.map(entry => (entry.key === name ? { ...entry, ...change } : entry))
const without = (rows: Variable[], name: string) => rows.filter(entry => entry.key !== name)
const plainly = (rows: Variable[]) => rows.map(({ key, value, secret }) => [key, value, secret])
const read = (text: string) => parse(text) as Map<string, string>

type Edit = (rows: Variable[]) => Variable[]

test.each<[string, Edit, object]>([
  ['nothing', rows => rows, {}],
  ['an empty row', rows => [...rows, variable('', '')], {}],
  ['a value', rows => typed(rows, 'A', { value: '1\n' }), { set: { A: '1\n' } }],
  ['an empty value', rows => [...rows, variable('C', '')], { set: { C: '' } }],
  ['a row less', rows => without(rows, 'A'), { unset: ['A'] }],
  ['a secret less', rows => without(rows, 'KEY'), { unset: ['KEY'] }],
  ['a name', rows => typed(rows, 'A', { key: 'C' }), { set: { C: '1' }, unset: ['A'] }],
  ['a mark', rows => typed(rows, 'A', { secret: true }), { secret: ['A'] }],
  ['a new secret', rows => typed(rows, 'KEY', { value: 'new' }), { set: { KEY: 'new' } }],
  [
    'a plain value that looks like a kept secret',
    rows => typed(rows, 'KEY', { value: '***', secret: false }),
    { set: { KEY: '***' }, plain: ['KEY'] },
  ],
  [
    'a name that objects have',
    rows => [...rows, variable('__proto__', 'x', true)],
    { set: JSON.parse('{"__proto__": "x"}'), secret: ['__proto__'] },
  ],
])('only the difference is sent: %s', (_, edit, sent) => {
  const rows = stored({ A: '1', B: '2', KEY: '***' }, 'KEY')
  expect(difference(rows, edit(rows))).toEqual({ set: {}, unset: [], secret: [], plain: [], ...sent })
})

test.each<[string, Edit, Record<string, string>, [string, string][], string[]]>([
  [
    'what was not touched follows',
    rows => rows,
    { A: '9', C: '3' },
    [
      ['A', '9'],
      ['C', '3'],
    ],
    [],
  ],
  [
    'what was typed stays',
    rows => typed(rows, 'A', { value: 'x' }),
    { A: '1', B: '9' },
    [
      ['A', 'x'],
      ['B', '9'],
    ],
    [],
  ],
  [
    'so does a new name',
    rows => [...rows, variable('N', 'x')],
    { B: '2' },
    [
      ['B', '2'],
      ['N', 'x'],
    ],
    [],
  ],
  ['and what was taken away', rows => without(rows, 'A'), { A: '1', B: '9' }, [['B', '9']], []],
  [
    'both changed it',
    rows => typed(rows, 'A', { value: 'x' }),
    { A: '9', B: '2' },
    [
      ['A', 'x'],
      ['B', '2'],
    ],
    ['A'],
  ],
  [
    'changed and taken away',
    rows => typed(rows, 'A', { value: 'x' }),
    { B: '2' },
    [
      ['A', 'x'],
      ['B', '2'],
    ],
    ['A'],
  ],
  ['taken away and changed', rows => without(rows, 'A'), { A: '9', B: '2' }, [['B', '2']], ['A']],
  [
    'both made it',
    rows => [...rows, variable('N', 'x')],
    { A: '1', B: '2', N: 'y' },
    [
      ['A', '1'],
      ['B', '2'],
      ['N', 'x'],
    ],
    ['N'],
  ],
  [
    'both say the same',
    rows => typed(rows, 'A', { value: 'x' }),
    { A: 'x', B: '2' },
    [
      ['A', 'x'],
      ['B', '2'],
    ],
    [],
  ],
])('a form follows what others change: %s', (_, edit, theirs, rows, disputed) => {
  const before = stored({ A: '1', B: '2' })
  const now = stored(theirs)
  const form = followed({ ...begun(before), rows: edit(before) }, now)
  expect(plainly(form.rows)).toEqual(rows.map(([key, value]) => [key, value, false]))
  expect(form.disputed).toEqual(disputed)
  if (disputed.length) expect(plainly(conceded(form).rows).sort()).toEqual(plainly(now).sort())
})

test('a text changes only what was edited in it', () => {
  const begun = stored({ A: '1', B: '2', C: '3', KEY: '***' }, 'KEY')
  const now = stored({ A: '1', B: '9', C: '9', N: 'new', KEY: '***' }, 'KEY')
  const { rows, disputed } = edited(read('A=x\nB=2\nC=y\n'), begun, now)
  expect(difference(now, rows)).toEqual({ set: { A: 'x', C: 'y' }, unset: ['KEY'], secret: [], plain: [] })
  expect(disputed).toEqual(['C'])
})

test('what is typed while it is saved stays', () => {
  const rows = stored({ A: '1', B: '2' })
  const sent = [...typed(rows, 'A', { value: 'sent' }), variable('KEY', 'k', true)]
  const form = saved(
    { ...begun(rows), rows: typed(sent, 'B', { value: 'later' }) },
    sent,
    stored({ A: 'sent', B: '2', KEY: '***' }, 'KEY'),
  )
  expect(plainly(form.rows)).toEqual([
    ['A', 'sent', false],
    ['B', 'later', false],
    ['KEY', null, true],
  ])
  expect(difference(form.before, form.rows).set).toEqual({ B: 'later' })
})

test('what is pasted replaces its names and is marked', () => {
  const before = [...stored({ A: '1', AUTH: 'a', KEY: '***' }, 'KEY'), variable()]
  const rows = merged(read("A=9\nAPI_KEY='x\ny'\nKEY=***\nAUTH=z"), before)
  expect(plainly(rows)).toEqual([
    ['A', '9', false],
    ['AUTH', 'z', true],
    ['KEY', null, true],
    ['API_KEY', 'x\ny', true],
  ])
})

test('a guess by the name is taken back until there is a value', () => {
  expect(['AUTH', 'AUTHOR'].reduce(named, variable()).secret).toBe(false)
  expect(named({ ...variable('TOKEN', 'x'), secret: true }, 'MODE').secret).toBe(true)
  expect(named({ ...variable('A', ''), secret: true }, 'MODE').secret).toBe(true)
})

test.each([
  [variable(), ''],
  [variable('', 'x'), 'Its name is missing'],
  [variable('A-B', 'x'), 'Letters, digits and _, at most 128'],
  [variable('A', 'x'), 'This name is there twice'],
  [variable('C', 'x'), ''],
])('what is wrong with a row is said: %j', (row, wrong) => {
  expect(problem(row, [...stored({ A: '1' }), row])).toBe(wrong)
})
