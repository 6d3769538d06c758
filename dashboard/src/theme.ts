import { type CSSVariablesResolver, createTheme } from '@mantine/core'

export const theme = createTheme({
  components: {
    // A dialog's head is no second banner of the page.
    Modal: {
      defaultProps: {
        attributes: { header: { role: 'presentation' } },
        styles: { content: { border: '1px solid var(--mantine-color-default-border)' } },
      },
    },
    // A menu holds its items and nothing else.
    Menu: { defaultProps: { withInitialFocusPlaceholder: false } },
    Notification: { defaultProps: { closeButtonProps: { 'aria-label': 'Close' } } },
  },
  // Its own greys have no blue in them, and look like another page's on ours.
  colors: {
    dark: [
      '#e6edf3',
      '#b4bcc6',
      '#9198a1',
      '#6e7681',
      '#30363d',
      '#2a3038',
      '#161b22',
      '#0d1117',
      '#0b0f14',
      '#05080c',
    ],
  },
  primaryColor: 'indigo',
  primaryShade: 7,
  defaultRadius: 'md',
  fontFamily: 'Inter, system-ui, -apple-system, "Segoe UI", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace',
  fontSizes: { xs: '12px', sm: '13px', md: '14px', lg: '16px', xl: '20px' },
  lineHeights: { xs: '1.4', sm: '1.4', md: '1.43', lg: '1.5', xl: '1.4' },
  respectReducedMotion: true,
  cursorType: 'pointer',
})

// Dimmed text and borders with contrast of at least 4.5:1 (text) on both grounds.
export const variables: CSSVariablesResolver = () => ({
  variables: {},
  light: {
    '--mantine-color-dimmed': '#59636e',
    '--mantine-color-placeholder': '#6b7480',
    '--mantine-color-error': '#cf222e',
    '--mantine-color-default-border': '#d8dee4',
    '--paas-page': '#f6f8fa',
    '--paas-panel': '#ffffff',
    '--paas-log': '#ffffff',
    '--paas-running': '#1a7f37',
    '--paas-building': '#0969da',
    '--paas-failed': '#cf222e',
    '--paas-stopped': '#59636e',
    '--paas-attention': '#9a6700',
  },
  dark: {
    '--mantine-color-body': '#0d1117',
    '--mantine-color-text': '#e6edf3',
    '--mantine-color-dimmed': '#9198a1',
    '--mantine-color-placeholder': '#8b949e',
    '--mantine-color-error': '#ff7b72',
    '--mantine-color-default': '#161b22',
    '--mantine-color-default-hover': '#1f262e',
    '--mantine-color-default-border': '#30363d',
    '--mantine-color-anchor': '#9db2ff',
    '--paas-page': '#0d1117',
    '--paas-panel': '#151b23',
    '--paas-log': '#0b0f14',
    '--paas-running': '#3fb950',
    '--paas-building': '#58a6ff',
    '--paas-failed': '#ff7b72',
    '--paas-stopped': '#9198a1',
    '--paas-attention': '#d29922',
  },
})
