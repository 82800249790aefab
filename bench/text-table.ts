/** Lines of a table: columns of figures to the right, others to the left. */
export function formatTable(header: readonly string[], rows: ReadonlyArray<readonly string[]>): string {
  const columns = header.map((title, column) => {
    const cells = rows.map((row) => row[column] ?? '');
    const figures =
      cells.every((cell) => /^([\d.]+( %)?|NaN|)$/.test(cell)) && cells.some((cell) => cell !== '');
    return { width: Math.max(...[title, ...cells].map((cell) => cell.length)), figures };
  });
  return [header, ...rows]
    .map((row) =>
      columns
        .map(({ width, figures }, column) => {
          const cell = row[column] ?? '';
          return figures ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
