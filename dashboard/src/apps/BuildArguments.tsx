import { Textarea } from '@mantine/core'
import type { ChangeEventHandler } from 'react'

/** What ARG of an own Dockerfile gets; other builds take none. The text is that of a `.env`. */
export function BuildArguments({
  value,
  error,
  onChange,
}: {
  value: string
  error: string | undefined
  onChange: ChangeEventHandler<HTMLTextAreaElement>
}) {
  return (
    <Textarea
      label="Build arguments"
      description="One NAME=value a line, for ARG in the Dockerfile. Whoever has the image can read them: no secrets"
      placeholder="NODE_VERSION=20"
      classNames={{ input: 'mono' }}
      autosize
      minRows={1}
      spellCheck={false}
      value={value}
      error={error}
      onChange={onChange}
    />
  )
}
