export interface Article { id: number, author: string, title: string, text: string, tags: string[], status: 'draft' | 'published' }

export type Articles = ReturnType<typeof createArticles>

/** Articles in memory. */
export function createArticles (articles: readonly Article[]) {
  const byId = new Map(articles.map((article) => [article.id, article]))
  let last = Math.max(0, ...byId.keys())

  return {
    find: (id: number) => byId.get(id),
    published: (tags: readonly string[]) => [...byId.values()].filter((article) => article.status === 'published' && tags.every((tag) => article.tags.includes(tag))),
    remove: (id: number) => byId.delete(id),
    count: () => ({ articles: byId.size, drafts: [...byId.values()].filter(({ status }) => status === 'draft').length }),
    add (article: Omit<Article, 'id'>): Article {
      const added = { id: ++last, ...article }
      byId.set(added.id, added)
      return added
    }
  }
}
