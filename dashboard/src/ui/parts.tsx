// Small parts that every page uses.
import { ActionIcon, Button, CopyButton, Group, Modal, Skeleton, Text, TextInput, Tooltip } from '@mantine/core'
import { IconCheck, IconCopy } from '@tabler/icons-react'
import { type ReactNode, useEffect, useState } from 'react'
import { ApiError } from '../api/client'
import { ago, clock } from './words'

export function Ago({ at }: { at: string }) {
  const [, tick] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => tick(count => count + 1), 30_000)
    return () => clearInterval(timer)
  }, [])
  return (
    <time dateTime={at} title={new Date(at).toLocaleString()}>
      {ago(at)}
    </time>
  )
}

/** Words and a moment, until it has come. then: what stands behind it. */
export function Until({ at, words, then }: { at: string; words: string; then?: string }) {
  const [, tick] = useState(0)
  const left = Date.parse(at) - Date.now()
  // biome-ignore lint/correctness/useExhaustiveDependencies: what is left shrinks by itself
  useEffect(() => {
    const timer = setTimeout(() => tick(count => count + 1), left + 100)
    return () => clearTimeout(timer)
  }, [at])
  return (
    left > 0 && (
      <>
        {words}{' '}
        <time dateTime={at} title={new Date(at).toLocaleString()}>
          {clock(at)}
        </time>
        {then}
      </>
    )
  )
}

export function Copy({ value, label }: { value: string; label: string }) {
  return (
    <CopyButton value={value}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? 'Copied' : `Copy ${label}`}>
          <ActionIcon variant="subtle" color="gray" size="sm" onClick={copy} aria-label={`Copy ${label}`}>
            {copied ? <IconCheck size={14} /> : <IconCopy size={14} />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  )
}

export function Panel({
  title,
  aside,
  children,
  inside = true,
}: {
  title: string
  aside?: ReactNode
  children: ReactNode
  inside?: boolean
}) {
  return (
    <section className="panel" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {inside ? <div className="inside">{children}</div> : children}
    </section>
  )
}

export function Head({
  crumbs,
  title,
  status,
  truth,
  actions,
}: {
  crumbs?: ReactNode
  title: ReactNode
  status?: ReactNode
  truth?: ReactNode
  actions?: ReactNode
}) {
  return (
    <div className="head">
      <div>
        {crumbs && <div className="crumbs">{crumbs}</div>}
        <Group gap="sm">
          <h1>{title}</h1>
          {status}
        </Group>
        {truth && <p className="truth">{truth}</p>}
      </div>
      {actions && <Group gap="xs">{actions}</Group>}
    </div>
  )
}

/** What an app, a repository or another server said: it can't pass for words of ours, nor turn those around it. */
export function Quotation({ of }: { of: string | null | undefined }) {
  return of ? (
    <q className="quotation" dir="auto">
      {of}
    </q>
  ) : null
}

/** What went wrong, what to do, and the id to ask about. */
export function Fault({ error, retry, page }: { error: unknown; retry?: () => void; page?: boolean }) {
  const known = error instanceof ApiError ? error : null
  const Title = page ? 'h1' : 'strong'
  return (
    <div className="notice" role="alert">
      <Title>{error instanceof Error ? error.message : 'Something went wrong'}</Title>
      <Quotation of={known?.quoted} />
      {known?.hint && <p>{known.hint}</p>}
      {known?.requestId && <p className="dim">Request {known.requestId}</p>}
      {retry && (
        <Button mt="sm" size="xs" variant="default" onClick={retry}>
          Try again
        </Button>
      )}
    </div>
  )
}

/** The outline of what is about to be there, so that nothing jumps when it comes. */
export function Loading({ of = 'page', head = of === 'page' }: { of?: 'page' | 'cards' | 'list'; head?: boolean }) {
  return (
    <div className="stack" role="status" aria-label="Loading">
      {head && (
        <div>
          <Skeleton height={28} width={240} mb={8} />
          <Skeleton height={14} width="min(420px, 90%)" />
        </div>
      )}
      {of === 'cards' && (
        <div className="cards">
          {Array.from({ length: 6 }, (_, row) => (
            <Skeleton key={row} height={124} radius="md" />
          ))}
        </div>
      )}
      {of === 'list' && (
        <div className="panel" style={{ padding: 16 }}>
          {Array.from({ length: 6 }, (_, row) => (
            <Skeleton key={row} height={16} my={14} width={`${90 - ((row * 17) % 40)}%`} />
          ))}
        </div>
      )}
      {of === 'page' && (
        <div className="split">
          <Skeleton height={320} radius="md" />
          <Skeleton height={180} radius="md" />
        </div>
      )}
    </div>
  )
}

/** Asks before an act; the button names it. With `typed` the name has to be typed first. */
export function Confirm({
  opened,
  onClose,
  title,
  children,
  act,
  onAct,
  danger,
  typed,
  busy,
}: {
  opened: boolean
  onClose: () => void
  title: string
  children: ReactNode
  act: string
  onAct: () => void
  danger?: boolean
  typed?: string
  busy?: boolean
}) {
  const [text, setText] = useState('')
  // biome-ignore lint/correctness/useExhaustiveDependencies: each opening begins empty
  useEffect(() => setText(''), [opened])
  return (
    <Modal
      opened={opened}
      onClose={onClose}
      title={<Text fw={600}>{title}</Text>}
      closeButtonProps={{ 'aria-label': 'Close' }}
      centered
      size={520}
    >
      <form
        onSubmit={event => {
          event.preventDefault()
          onAct()
        }}
      >
        {children}
        {typed && (
          <TextInput
            mt="md"
            label={`Type ${typed} to confirm`}
            value={text}
            onChange={event => setText(event.currentTarget.value)}
            data-autofocus
            autoComplete="off"
          />
        )}
        <Group justify="flex-end" mt="lg" gap="xs">
          <Button variant="default" onClick={onClose}>
            Keep it as it is
          </Button>
          <Button
            type="submit"
            color={danger ? 'red' : undefined}
            disabled={typed !== undefined && text !== typed}
            loading={busy}
          >
            {act}
          </Button>
        </Group>
      </form>
    </Modal>
  )
}
