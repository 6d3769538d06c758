import { expect, test } from 'vitest'
import { bodyOf, EMPTY, type Fields, faults, filled } from './settings'

const form = (fields: Partial<Fields>): Fields => ({ ...EMPTY, ...fields })

test.each<[Partial<Fields>, object]>([
  [{}, {}],
  [
    { processes: 'worker: python w.py --at 10:00\n\nbeat: x' },
    { processes: { worker: 'python w.py --at 10:00', beat: 'x' } },
  ],
  [{ processes: 'worker:' }, { processes: { worker: '' } }],
  [{ aptPackages: ' libpq-dev,\n ffmpeg ' }, { aptPackages: ['libpq-dev', 'ffmpeg'] }],
  [{ volumes: 'a:/a, b:/b:shared ,' }, { volumes: ['a:/a', 'b:/b:shared'] }],
  [
    { portOverride: 3000, watchMinutes: 0 },
    { portOverride: 3000, watchMinutes: 0 },
  ],
  [{ buildArgs: "A=1\nB='two words'" }, { buildArgs: { A: '1', B: 'two words' } }],
  [
    { staticSite: false, submodules: true },
    { staticSite: false, submodules: true },
  ],
])('only what says something is sent: %j', (fields, sent) => {
  expect(bodyOf(form(fields), filled(form(fields)))).toEqual(sent)
  expect(faults(form(fields))).toEqual({})
})

// Sent without it, a process that was there would be gone.
test.each([
  ['worker: x\npython other.py', 'Line 2: a name, a colon and its command'],
  [': x', 'Line 1: a name, a colon and its command'],
  ['a: x\nb: y\na: z', 'Line 3: a is there twice'],
])('a line that says nothing is not dropped: %j', (processes, told) => {
  expect(faults(form({ processes }))).toEqual({ processes: told })
})

test('build arguments that cannot be read name their line', () => {
  expect(faults(form({ buildArgs: "A=1\nB='x" })).buildArgs).toMatch(/^Line 2: /)
})
