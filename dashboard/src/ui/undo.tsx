import { Button, Group, Text } from '@mantine/core'

export const undoMessage = (message: string, undo: () => void) => (
  <Group justify="space-between" wrap="nowrap">
    <Text size="sm">{message}</Text>
    <Button size="compact-sm" variant="default" onClick={undo}>
      Undo
    </Button>
  </Group>
)
