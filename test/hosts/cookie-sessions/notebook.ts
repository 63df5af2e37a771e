export interface Note { id: string, owner: string, title: string, text: string }

export type Notebook = ReturnType<typeof createNotebook>

/** Notes in memory. */
export function createNotebook (notes: readonly Note[]) {
  const byId = new Map(notes.map((note) => [note.id, note]))
  let last = byId.size

  return {
    find: (id: string) => byId.get(id),
    of: (owner: string) => [...byId.values()].filter((note) => note.owner === owner),
    remove: (id: string) => byId.delete(id),
    add (owner: string, title: string, text: string): Note {
      const note = { id: `note-${++last}`, owner, title, text }
      byId.set(note.id, note)
      return note
    }
  }
}
