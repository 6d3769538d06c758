import { ActionIcon, Button, Group, Switch, Text, TextInput, Tooltip } from '@mantine/core'
import { IconChevronDown, IconChevronUp, IconDownload, IconSearch } from '@tabler/icons-react'
import { useVirtualizer } from '@tanstack/react-virtual'
import { useLayoutEffect, useMemo, useRef, useState } from 'react'
import type { LogLine } from '../api/client'
import { plain, spans } from './ansi'

function Marked({ text, search }: { text: string; search: string }) {
  if (!search) return <>{text}</>
  const parts: { text: string; hit: boolean }[] = []
  const [lower, wanted] = [text.toLowerCase(), search.toLowerCase()]
  let from = 0
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, from)) {
    parts.push({ text: text.slice(from, at), hit: false }, { text: text.slice(at, at + wanted.length), hit: true })
    from = at + wanted.length
  }
  parts.push({ text: text.slice(from), hit: false })
  return <>{parts.map((part, index) => (part.hit ? <mark key={index}>{part.text}</mark> : part.text))}</>
}

/** A log of any length: only the lines in view exist. It follows while you are at the end. */
export function LogView({ lines, name, live }: { lines: LogLine[]; name: string; live: boolean }) {
  const box = useRef<HTMLDivElement>(null)
  const [search, setSearch] = useState('')
  const [wrap, setWrap] = useState(true)
  const [times, setTimes] = useState(false)
  const [atEnd, setAtEnd] = useState(true)
  const [seen, setSeen] = useState(0)
  const [current, setCurrent] = useState(0)
  const rows = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => 18,
    overscan: 30,
  })
  const hits = useMemo(() => {
    const wanted = search.toLowerCase()
    return wanted
      ? lines.flatMap((line, index) => (plain(line.message).toLowerCase().includes(wanted) ? [index] : []))
      : []
  }, [lines, search])

  const size = rows.getTotalSize()
  const moved = useRef(0)

  // Rows are measured as they come into view, so the end moves: stay at it until the reader scrolls away.
  // biome-ignore lint/correctness/useExhaustiveDependencies: size and wrap move the end
  useLayoutEffect(() => {
    if (!atEnd) return
    if (box.current) box.current.scrollTop = box.current.scrollHeight
    setSeen(lines.length)
  }, [lines.length, atEnd, size, wrap])

  const jump = (to: number) => {
    if (!hits.length) return
    const next = (to + hits.length) % hits.length
    setCurrent(next)
    setAtEnd(false)
    rows.scrollToIndex(hits[next] ?? 0, { align: 'center' })
  }
  const byHand = () => {
    moved.current = Date.now()
  }
  const scrolled = () => {
    const element = box.current
    if (!element) return
    if (element.scrollHeight - element.scrollTop - element.clientHeight < 30) setAtEnd(true)
    else if (Date.now() - moved.current < 1000) setAtEnd(false)
  }
  const save = () => {
    const blob = new Blob(
      lines.map(line => `${line.timestamp} ${line.message}\n`),
      {
        type: 'text/plain',
      },
    )
    const link = document.createElement('a')
    link.href = URL.createObjectURL(blob)
    link.download = `${name}.log`
    link.click()
    URL.revokeObjectURL(link.href)
  }

  return (
    <div className={`panel log${wrap ? ' wrap' : ''}`}>
      <div className="tools">
        <TextInput
          size="xs"
          aria-label="Search the log"
          placeholder="Search"
          leftSection={<IconSearch size={14} />}
          value={search}
          onChange={event => {
            setSearch(event.currentTarget.value)
            setCurrent(0)
          }}
          onKeyDown={event =>
            event.key === 'Enter' && jump(event.shiftKey ? current - 1 : hits.length && search ? current + 1 : 0)
          }
          data-page-search
        />
        {search && (
          <Group gap={4}>
            <Text size="xs" aria-live="polite">
              {hits.length ? `${current + 1} of ${hits.length}` : 'nothing found'}
            </Text>
            <ActionIcon size="sm" variant="subtle" onClick={() => jump(current - 1)} aria-label="Previous hit">
              <IconChevronUp size={14} />
            </ActionIcon>
            <ActionIcon size="sm" variant="subtle" onClick={() => jump(current + 1)} aria-label="Next hit">
              <IconChevronDown size={14} />
            </ActionIcon>
          </Group>
        )}
        <Group gap="md" ml="auto">
          <Switch size="xs" label="Wrap" checked={wrap} onChange={event => setWrap(event.currentTarget.checked)} />
          <Switch size="xs" label="Times" checked={times} onChange={event => setTimes(event.currentTarget.checked)} />
          <Tooltip label="Download">
            <ActionIcon size="sm" variant="subtle" color="gray" onClick={save} aria-label="Download the log">
              <IconDownload size={14} />
            </ActionIcon>
          </Tooltip>
        </Group>
      </div>
      <div
        className="lines"
        ref={box}
        onScroll={scrolled}
        onWheel={byHand}
        onTouchMove={byHand}
        onPointerDown={byHand}
        onKeyDown={byHand}
        tabIndex={0}
        role="log"
        aria-label={live ? 'Live log' : 'Log'}
      >
        {lines.length === 0 && <div className="line">{live ? 'Waiting for the first line …' : 'No lines.'}</div>}
        <div style={{ height: size, position: 'relative' }}>
          {rows.getVirtualItems().map(row => {
            const line = lines[row.index]
            if (!line) return null
            const found = search && hits[current] === row.index ? ' found' : ''
            return (
              <div
                key={row.key}
                data-index={row.index}
                ref={rows.measureElement}
                className={`line ${line.level}${found}`}
                style={{
                  position: 'absolute',
                  top: 0,
                  left: 0,
                  width: wrap ? '100%' : undefined,
                  transform: `translateY(${row.start}px)`,
                }}
              >
                {times && <time>{line.timestamp.slice(11, 23)}</time>}
                <bdi>
                  {spans(line.message).map((span, index) => (
                    <span key={index} className={span.className || undefined}>
                      <Marked text={span.text} search={search} />
                    </span>
                  ))}
                </bdi>
              </div>
            )
          })}
        </div>
      </div>
      {!atEnd && lines.length > seen && (
        <Button className="more" size="compact-xs" radius="xl" onClick={() => setAtEnd(true)}>
          {lines.length - seen} new lines
        </Button>
      )}
    </div>
  )
}
