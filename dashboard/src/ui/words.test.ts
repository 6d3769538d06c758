import { expect, test } from 'vitest'
import { ago, bytes, counted, duration, named, shortSource } from './words'

test.each([
  [0, 'just now'],
  [59, 'just now'],
  [-61, '1 min. ago'],
  [-7200, '2 hr. ago'],
  [-90_000, 'yesterday'],
  [3600 * 49, 'in 2 days'],
])('a moment %i s from now', (seconds, said) => {
  expect(ago(new Date(1_700_000_000_000 + seconds * 1000).toISOString(), 1_700_000_000_000)).toBe(said)
})

test.each([
  [null, ''],
  [0.25, '0.3 s'],
  [59, '59 s'],
  [9.96, '10 s'],
  [59.7, '1 min 0 s'],
  [119.6, '2 min 0 s'],
  [125, '2 min 5 s'],
])('%d seconds', (seconds, said) => {
  expect(duration(seconds)).toBe(said)
})

test.each([
  [undefined, ''],
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 KiB'],
  [10 * 1024 - 10, '10 KiB'],
  [1024 ** 2 - 100, '1.0 MiB'],
  [10 * 1024 ** 2, '10 MiB'],
  [5000 * 1024 ** 3, '5000 GiB'],
])('%d bytes', (size, said) => {
  expect(bytes(size)).toBe(said)
})

test('a name keeps its direction to itself', () => {
  expect(named('evil\u202e\u2069name')).toBe('\u2068evilname\u2069')
})

test('one and many', () => {
  expect([counted(0, 'app'), counted(1, 'app'), counted(2, 'app')]).toEqual(['0 apps', '1 app', '2 apps'])
})

test('where sources come from', () => {
  expect(shortSource('https://github.com/me/shop.git')).toBe('me/shop')
  expect(shortSource('https://git.example.org/me/shop')).toBe('git.example.org/me/shop')
  expect(shortSource('upload://x')).toBe('Uploaded files')
})
