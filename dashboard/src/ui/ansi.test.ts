import { expect, test } from 'vitest'
import { plain, spans } from './ansi'

test('colours become spans, and end where they end', () => {
  expect(spans('a \x1b[31mred\x1b[0m \x1b[1;92mbold\x1b[39m b')).toEqual([
    { text: 'a ', className: '' },
    { text: 'red', className: 'c1' },
    { text: ' ', className: '' },
    { text: 'bold', className: 'c2 b' },
    { text: ' b', className: 'b' },
  ])
})

test.each([
  ['moves of the cursor', 'a\x1b[2K\x1b[1Gb', 'ab'],
  ['titles of windows', '\x1b]0;title\x07a\x1b]8;;https://example.org\x1b\\b', 'ab'],
  ['letters that turn the direction round', 'a\u202eb\u2066c', 'abc'],
  ['letters without width', 'a\u200bb\ufeffc', 'abc'],
  ['a tab stays', 'a\tb', 'a\tb'],
])('what a terminal would obey is dropped: %s', (_, line, shown) => {
  expect(plain(line)).toBe(shown)
  expect(spans(line).map(span => span.text)).toEqual([shown])
})

test('a long line takes no time', () => {
  const begin = performance.now()
  for (const piece of ['\x1b[', '\x1b]', '\x1b[1;', '\x1b[31m']) spans(piece.repeat(20_000))
  expect(performance.now() - begin).toBeLessThan(2000)
})
