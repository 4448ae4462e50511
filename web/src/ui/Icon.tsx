import type { ReactNode } from "react";

/** Line icons on a 20-unit square, drawn with the text's colour. */

const drawings = {
  chat: <path d="M3.500 4.500h13v9h-7l-3.500 3v-3h-2.500z" />,
  ask: (
    <>
      <path d="M5 3h7l3 3v4M5 3v14h4" />
      <circle cx="13" cy="13.500" r="2.500" />
      <path d="m15 15.500 2 2M7.500 7.500h4" />
    </>
  ),
  corpora: (
    <>
      <path d="M3.500 6.500 10 3l6.500 3.500L10 10z" />
      <path d="m3.500 10 6.500 3.500 6.500-3.500M3.500 13.500 10 17l6.500-3.500" />
    </>
  ),
  map: (
    <>
      <path d="M3.500 3.500h13v13h-13zM9 3.500v13M9 9h7.500M13 9v7.500M3.500 12H9" />
    </>
  ),
  scheduler: <path d="M4 16.500v-5M8 16.500v-10M12 16.500v-7M16 16.500v-13" />,
  models: (
    <>
      <path d="M6 6h8v8H6z" />
      <path d="M8.500 3v3M11.500 3v3M8.500 14v3M11.500 14v3M3 8.500h3M3 11.500h3M14 8.500h3M14 11.500h3" />
    </>
  ),
  settings: (
    <>
      <path d="M3 6h7M14 6h3M3 14h3M10 14h7" />
      <circle cx="12" cy="6" r="2" />
      <circle cx="8" cy="14" r="2" />
    </>
  ),
  inside: <path d="M3.500 10h4M7.500 10l4-4.500h5M7.500 10l4 4.500h5M7.500 10h9" />,
  menu: <path d="M3.500 6h13M3.500 10h13M3.500 14h13" />,
  close: <path d="m5 5 10 10M15 5 5 15" />,
  send: <path d="M10 16V4.500M5 9l5-5 5 5" />,
  stop: <path d="M6 6h8v8H6z" fill="currentColor" />,
  plus: <path d="M10 4v12M4 10h12" />,
  redo: (
    <>
      <path d="M15.800 8A6 6 0 1 0 16 11.500" />
      <path d="M16.200 4v4h-4" />
    </>
  ),
  edit: <path d="m4 16 .8-3.200L13.500 4l2.500 2.500-8.800 8.700zM11.500 6l2.500 2.500" />,
  copy: <path d="M7 7h9v9H7zM4 13V4h9" />,
  check: <path d="m4 10.500 4 4 8-9" />,
  trash: <path d="M4 6h12M8 6V4h4v2M5.500 6l.7 10.500h7.600L14.500 6M8.500 9v5M11.500 9v5" />,
  upload: <path d="M10 13V4M6 7.500 10 3.500l4 4M3.500 12.500v4h13v-4" />,
  search: (
    <>
      <circle cx="9" cy="9" r="5" />
      <path d="m13 13 4 4" />
    </>
  ),
  sliders: (
    <path d="M5 3.500v6M5 13.500v3M3 11.500h4M10 3.500v3M10 10.500v6M8 8.500h4M15 3.500v8M15 15.500v1M13 13.500h4" />
  ),
  sun: (
    <>
      <circle cx="10" cy="10" r="3" />
      <path d="M10 2.500v2M10 15.500v2M2.500 10h2M15.500 10h2M4.700 4.700l1.400 1.400M13.900 13.900l1.400 1.400M15.300 4.700l-1.400 1.400M6.100 13.900l-1.400 1.400" />
    </>
  ),
  moon: <path d="M16 11.800A6.500 6.500 0 0 1 8.200 4a6.500 6.500 0 1 0 7.800 7.800z" />,
  system: <path d="M3.500 4.500h13v9h-13zM7.500 16.500h5M10 13.500v3" />,
  file: <path d="M5 3h6.500L15 6.500V17H5zM11.500 3v3.500H15" />,
  folder: <path d="M3 5h5l1.500 2H17v9H3z" />,
  chevron: <path d="m7.500 5 5 5-5 5" />,
  pause: <path d="M7 5v10M13 5v10" />,
  play: <path d="M7 4.500 15 10l-8 5.500z" />,
  warning: <path d="M10 3.500 17.500 16.500h-15zM10 8.500v3.500M10 14.200v.3" />,
  history: (
    <>
      <path d="M4 10a6 6 0 1 0 1.800-4.300M4 3.500V7h3.500" />
      <path d="M10 7v3.500l2.500 1.500" />
    </>
  ),
  up: <path d="m5 12.500 5-5 5 5" />,
  down: <path d="m5 7.500 5 5 5-5" />,
} satisfies Record<string, ReactNode>;

export type IconName = keyof typeof drawings;

export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg
      className="icon"
      width={size}
      height={size}
      viewBox="0 0 20 20"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {drawings[name]}
    </svg>
  );
}
