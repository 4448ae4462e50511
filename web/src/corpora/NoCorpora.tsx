import { linkTo } from "../app/route.js";
import { Empty } from "../ui/Empty.js";
import { PageHead } from "../ui/PageHead.js";

/** What pages about a corpus show on a server that has none. */
export function NoCorpora({ title }: { title: string }) {
  return (
    <div className="page-scroll">
      <div className="page-inner">
        <PageHead title={title} />
        <Empty
          title="There is no corpus yet"
          action={
            <a className="button button-primary" href={linkTo("corpora")}>
              Create one
            </a>
          }
        >
          <p>
            A corpus is a set of your documents that can be searched and asked. Create one here and drop files on it, or
            start the server on a folder:
          </p>
          <p>
            <code>quire serve --corpus ./docs</code>
          </p>
        </Empty>
      </div>
    </div>
  );
}
