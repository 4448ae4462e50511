export default function noImages() {
  throw new Error("Images are not part of this bench.");
}
