module {
  func.func @main(%arg0: !torch.vtensor<[3,2],f32>) -> !torch.vtensor<[3,2],f32> {
    %none = torch.constant.none
    %int0 = torch.constant.int 0
    %int1 = torch.constant.int 1
    %int5 = torch.constant.int 5
    %true = torch.constant.bool true
    %float = torch.constant.float 2.500000e-01
    %0 = torch.aten.sum %arg0, %none : !torch.vtensor<[3,2],f32>, !torch.none -> !torch.vtensor<[],f32>
    %1 = torch.aten.gt.Scalar %0, %int0 : !torch.vtensor<[],f32>, !torch.int -> !torch.vtensor<[],i1>
    %2 = torch.aten.Bool.Tensor %1 : !torch.vtensor<[],i1> -> !torch.bool
    %3:2 = torch.prim.If %2 -> (!torch.vtensor<[3,2],f32>, !torch.float) {
      %8 = torch.aten.sin %arg0 : !torch.vtensor<[3,2],f32> -> !torch.vtensor<[3,2],f32>
      torch.prim.If.yield %8, %float : !torch.vtensor<[3,2],f32>, !torch.float
    } else {
      %8 = torch.aten.Float.Tensor %0 : !torch.vtensor<[],f32> -> !torch.float
      %9 = torch.aten.gt.float %8, %float : !torch.float, !torch.float -> !torch.bool
      %10 = torch.prim.If %9 -> (!torch.vtensor<[3,2],f32>) {
        torch.prim.If.yield %arg0 : !torch.vtensor<[3,2],f32>
      } else {
        %11 = torch.aten.cos %arg0 : !torch.vtensor<[3,2],f32> -> !torch.vtensor<[3,2],f32>
        torch.prim.If.yield %11 : !torch.vtensor<[3,2],f32>
      }
      torch.prim.If.yield %10, %8 : !torch.vtensor<[3,2],f32>, !torch.float
    }
    %4 = torch.aten.mul.Scalar %3#0, %3#1 : !torch.vtensor<[3,2],f32>, !torch.float -> !torch.vtensor<[3,2],f32>
    %5:2 = torch.prim.Loop %int5, %true, init(%4, %int1) {
    ^bb0(%arg1: !torch.int, %arg2: !torch.vtensor<[3,2],f32>, %arg3: !torch.int):
      %8 = torch.aten.add.Scalar %arg2, %arg1, %int1 : !torch.vtensor<[3,2],f32>, !torch.int, !torch.int -> !torch.vtensor<[3,2],f32>
      %9 = torch.aten.mul.Tensor %8, %arg0 : !torch.vtensor<[3,2],f32>, !torch.vtensor<[3,2],f32> -> !torch.vtensor<[3,2],f32>
      %10 = torch.aten.add.int %arg3, %arg1 : !torch.int, !torch.int -> !torch.int
      torch.prim.Loop.condition %true, iter(%9, %10 : !torch.vtensor<[3,2],f32>, !torch.int)
    } : (!torch.int, !torch.bool, !torch.vtensor<[3,2],f32>, !torch.int) -> (!torch.vtensor<[3,2],f32>, !torch.int)
    %6 = torch.aten.add.Scalar %5#0, %5#1, %int1 : !torch.vtensor<[3,2],f32>, !torch.int, !torch.int -> !torch.vtensor<[3,2],f32>
    return %6 : !torch.vtensor<[3,2],f32>
  }
}
