/** Three leaves folded into each other, seen from the end: what bookbinders call a quire. */
export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 32 32"
      fill="none"
      stroke="var(--accent)"
      strokeWidth="2.4"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d="M4 11 16 26 28 11" />
      <path d="M8.500 9 16 18.500 23.500 9" opacity="0.75" />
      <path d="M12.600 7.200 16 11.500 19.400 7.200" opacity="0.5" />
    </svg>
  );
}
