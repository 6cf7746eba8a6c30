#include "tensor/transfer.h"

#include "tensor/create.h"
#include "tensor/transfer_kernels.h"

namespace matmix {
namespace {

void copy_across(const Tensor& dst, const Tensor& src) {
  const Tensor sent = contiguous(cast(src, dst.dtype()));
  if (src.device().is_cuda() && dst.device().is_cuda()) {
    copy(dst, to(sent, kCpu));  // two GPUs: rare enough to go through the host
    return;
  }
  const Tensor received = dst.is_contiguous() ? dst : empty(dst.shape(), dst.dtype(), dst.device());
  kTransfer(src.device().is_cuda() ? src.device() : dst.device(), received, sent);
  if (!received.same_view_as(dst)) kCopy(dst.device(), dst, received);
}

}  // namespace

void copy(const Tensor& dst, const Tensor& src) {
  require(dst.shape() == src.shape(), "copy", "shapes must be equal, got ", src, " into ", dst);
  if (dst.same_view_as(src) || dst.numel() == 0) return;
  const bool one_device = dst.device() == src.device();
  if (one_device && dst.dtype() == src.dtype() && dst.is_contiguous() && src.is_contiguous()) {
    kTransfer(dst.device(), dst, src);
  } else if (one_device) {
    kCopy(dst.device(), dst, src);
  } else {
    copy_across(dst, src);
  }
  dst.bump_version();
}

Tensor contiguous(const Tensor& x) { return x.is_contiguous() ? x : clone(x); }

Tensor clone(const Tensor& x) {
  const Tensor out = empty_like(x);
  copy(out, x);
  return out;
}

Tensor cast(const Tensor& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  const Tensor out = empty(x.shape(), dtype, x.device());
  copy(out, x);
  return out;
}

Tensor to(const Tensor& x, Device device) {
  if (x.device() == device) return x;
  const Tensor out = empty(x.shape(), x.dtype(), device);
  copy(out, x);
  return out;
}

template <class T>
std::vector<T> to_vector(const Tensor& x) {
  const Tensor host = contiguous(to(cast(x, dtype_of<T>()), kCpu));
  const T* data = host.data<T>();
  return std::vector<T>(data, data + host.numel());
}

template <class T>
T item(const Tensor& x) {
  require(x.numel() == 1, "item", "must have one element, got ", x);
  return to_vector<T>(x)[0];
}

template std::vector<double> to_vector(const Tensor&);
template std::vector<float> to_vector(const Tensor&);
template std::vector<bfloat16> to_vector(const Tensor&);
template std::vector<int64_t> to_vector(const Tensor&);
template std::vector<int32_t> to_vector(const Tensor&);
template std::vector<uint8_t> to_vector(const Tensor&);
template std::vector<bool> to_vector(const Tensor&);
template double item(const Tensor&);
template float item(const Tensor&);
template bfloat16 item(const Tensor&);
template int64_t item(const Tensor&);
template int32_t item(const Tensor&);
template uint8_t item(const Tensor&);
template bool item(const Tensor&);

}  // namespace matmix
